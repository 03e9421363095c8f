"""Models in shell scripts, Dockerfiles and command lines within configs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

from zoohub.audit.codescan import names
from zoohub.audit.codescan.names import Named
from zoohub.audit.codescan.text import addresses, use
from zoohub.audit.codescan.uses import ModelUse
from zoohub.audit.words import words

# Options whose value is a model, whatever program they are given to.
OPTIONS = words(
    "--model --model-id --model_id --model-name --model_name --model-path --model_path --model_name_or_path "
    "--model-name-or-path --pretrained_model_name_or_path --pretrained-model-name-or-path --base-model "
    "--base_model "
    "--base_model_name_or_path --tokenizer --tokenizer_name --tokenizer-name --repo-id --repo_id --hf-repo "
    "--hf_repo -hf -hfr "
    "--embedding-model --embedding_model --reranker --speculative-model --speculative_model --draft-model "
    "--draft_model "
    "--adapter_name_or_path --adapter --lora-model --lora_model --lora-path --pretrained --teacher_model "
    "--student_model "
    "--reward_model --ref_model --controlnet_model_name_or_path --vae_model_name_or_path --checkpoint "
    "--model-dir"
)
# Variables whose value is a model: MODEL, MODEL_ID, HF_MODEL_NAME, BASE_MODEL, EMBEDDING_MODEL_ID ...
VARIABLE = re.compile(
    r"(?:[A-Z0-9]+_)*(?:MODEL|CHECKPOINT|TOKENIZER|REPO|ADAPTER)(?:_(?:ID|NAME|REPO|PATH|NAME_OR_PATH))?"
)
_ASSIGNMENT = re.compile(
    r"(?:export\s+|local\s+|readonly\s+|declare\s+(?:-\w+\s+)?)?([A-Za-z_]\w*)=(.*)", re.DOTALL
)
_REFERENCE = re.compile(r"\$(?:\{(\w+)(?::?[-=]([^}]*))?\}|(\w+))")
_KEYWORDS = words("RUN CMD ENTRYPOINT ENV ARG")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")

# words that begin a command -> namer; the model is the first word after them that is no option
_COMMANDS: tuple[tuple[tuple[str, ...], Callable[[str], Named]], ...] = (
    (("huggingface-cli", "download"), names.hub),
    (("hf", "download"), names.hub),
    (("vllm", "serve"), names.hub),
    (("vllm", "bench"), names.hub),
    (("lms", "get"), names.hub),
    (("modelscope", "download"), names.modelscope),
    (("ollama", "pull"), names.ollama),
    (("ollama", "run"), names.ollama),
    (("spacy", "download"), names.spacy),
    (("transformers", "chat"), names.hub),
    (("lmdeploy", "serve", "api_server"), names.hub),
    (("zoo", "pull"), names.hub),
)
Runner = Callable[[str, int], Iterator[ModelUse]]


def uses(text: str, path: str, python: Runner, dockerfile: bool = False) -> Iterator[ModelUse]:
    """Every use in a script; `python` reads Python code that stands within it, from a line on."""
    variables: dict[str, str] = {}
    python_lines: list[tuple[int, str]] = []
    for number, command in _commands(text, python_lines):
        if dockerfile:
            command = _instruction(command)
        yield from command_uses(command, path, number, variables, python)
    for number, source in python_lines:
        yield from python(source, number)


def command_uses(
    command: str, path: str, line: int, variables: dict[str, str], python: Runner | None = None
) -> Iterator[ModelUse]:
    """Uses in one command line; assignments are kept in `variables`."""
    yield from addresses(path, line, command)
    words = [_expanded(word, variables) for word in _words(command)]
    for position, word in enumerate(words):
        if (found := _ASSIGNMENT.fullmatch(word)) and not word.startswith("-"):
            variables[found[1]] = found[2]
            if VARIABLE.fullmatch(found[1]):
                yield from use(path, line, f"variable {found[1]}", found[2], names.hub(found[2]))
            continue
        option, equals, value = word.partition("=")
        if option in OPTIONS:
            value = value if equals else next(iter(words[position + 1 : position + 2]), "")
            yield from _option(path, line, option, value, words)
        if (
            word == "-c"
            and position
            and "python" in words[position - 1]
            and python
            and position + 1 < len(words)
        ):
            yield from python(words[position + 1], line)
    yield from _named_command(words, path, line)


def _option(path: str, line: int, option: str, value: str, words: list[str]) -> Iterator[ModelUse]:
    program = words[0].rpartition("/")[2] if words else ""
    if "whisper" in program and option == "--model":
        namer = names.whisper
    elif "modelscope" in words[:1]:
        namer = names.modelscope
    else:
        namer = names.hub
    if value.startswith("$") or "{" in value:
        yield ModelUse(
            path, line, f"option {option}", value, None, None, f"the variable is not set here: {value}"
        )
    else:
        yield from use(
            path,
            line,
            f"option {option}",
            value,
            namer(value.partition(":")[0] if option == "-hf" else value),
        )


def _named_command(words: list[str], path: str, line: int) -> Iterator[ModelUse]:
    for start in range(len(words)):
        for pattern, namer in _COMMANDS:
            if tuple(word.rpartition("/")[2] for word in words[start : start + len(pattern)]) != pattern:
                continue
            rest = words[start + len(pattern) :]
            if "--repo-type" in rest and rest[rest.index("--repo-type") + 1 :][:1] != ["model"]:
                return
            yield from _first_word(rest, namer, " ".join(pattern), path, line)
            return


def _first_word(
    rest: list[str], namer: Callable[[str], Named], call: str, path: str, line: int
) -> Iterator[ModelUse]:
    for position, word in enumerate(rest):
        if word in ("&&", "||", ";", "|", ">"):
            return
        previous = rest[position - 1] if position else ""
        if word.startswith("-") or (
            previous.startswith("--") and "=" not in previous and previous not in _SWITCHES
        ):
            continue
        if word.startswith("$"):
            yield ModelUse(path, line, call, word, None, None, f"the variable is not set here: {word}")
        else:
            yield from use(path, line, call, word, namer(word))
        return


_SWITCHES = words("--quiet --resume-download --force-download --local-dir-use-symlinks --no-cache-dir --user")


def _commands(text: str, python_lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Command lines with the line they begin at; a here-document for Python is set aside."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        start, command = number, lines[number]
        while command.rstrip().endswith("\\") and number + 1 < len(lines):
            number += 1
            command = command.rstrip()[:-1] + " " + lines[number].strip()
        number += 1
        if (mark := _HEREDOC.search(command)) and "python" in command:
            end = next((i for i in range(number, len(lines)) if lines[i].strip() == mark[1]), len(lines))
            python_lines.append((number + 1, "\n".join(lines[number:end])))
            number = end + 1
        stripped = command.strip()
        if stripped and not stripped.startswith("#"):
            yield start + 1, stripped


def _instruction(line: str) -> str:
    """A Dockerfile instruction as a command line."""
    keyword, _, rest = line.partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword not in _KEYWORDS:
        return line if keyword not in ("FROM", "COPY", "LABEL", "WORKDIR", "EXPOSE", "USER") else ""
    if rest.startswith("["):
        return " ".join(shlex.quote(word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', rest))
    if keyword == "ENV" and re.match(r"[A-Za-z_]\w* ", rest):
        name, _, value = rest.partition(" ")
        return f"{name}={shlex.quote(value.strip())}"
    return rest


def _words(command: str) -> list[str]:
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        return list(lexer)
    except ValueError:  # a quote that another line closes
        return command.replace('"', " ").replace("'", " ").split()


def _expanded(word: str, variables: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name, default = found[1] or found[3], found[2]
        return variables.get(name) or default or found[0]

    return _REFERENCE.sub(value, word)
