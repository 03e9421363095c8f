"""Speech to text, with times and, the other way round, text to speech.

    python examples/transcribe.py WHISPER [SOUND]

WHISPER is a model id (openai/whisper-tiny.en) or a folder. Without a sound, a sentence is spoken by
hibari-tts (pip install 'zoohub[speech]') and heard again.
"""

from __future__ import annotations

import sys
from typing import Any

import zoohub

SENTENCE = "Ask not what your country can do for you."


def main(model: str, sound: Any = None) -> str:
    if sound is None:
        sound = zoohub.load("pypi:hibari-tts").predict(SENTENCE)
    heard = zoohub.load(model, task="automatic-speech-recognition").predict(sound, timestamps=True)
    for segment in heard.segments:
        print(f"{segment.start:6.2f} - {segment.end:6.2f}  {segment.text}")
    return str(heard.text)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(main(*sys.argv[1:3]))
