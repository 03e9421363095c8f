"""Who speaks: a vector of unit length for each recording; `similarity` of two verifies a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Embedding
from zoohub.adapters.sound import read_audio
from zoohub.adapters.speech import in_groups
from zoohub.adapters.voices import Sounds
from zoohub.errors import UnsupportedModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class XVectors(Sounds):
    """The x-vector models of transformers (WavLM, UniSpeech-SAT, Wav2Vec2)."""

    auto = "AutoModelForAudioXVector"
    tasks = ("speaker-verification",)

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """An `Embedding` for each recording."""
        return [Embedding(row) for row in self.features(samples)]

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """Unit vectors `(n, d)`."""
        import numpy as np
        import torch

        def heard(group: Sequence[Any]) -> Sequence[Any]:
            vectors = self.module(**self.inputs(group)).embeddings.float()
            return list(torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy())

        rows: NDArray[np.float32] = np.stack(in_groups(self.module.config, samples, heard))
        return rows


class VoiceEncoder(Model):
    """The speaker encoder of the package resemblyzer: an LSTM over pieces of 1.6 seconds, averaged.

    Source: Wan et al., "Generalized end-to-end loss for speaker verification", 2018; sizes and mel settings as in
    resemblyzer 0.1.4 (Apache-2.0). Long silences are not cut out first, as that package does with a detector.
    """

    tasks = ("speaker-verification",)
    embeds = True
    plan = Plan(items=16, budget=16 * 16_000 * 10, window=128, workers=2)
    rate, hop, piece, step, level = 16_000, 160, 160, 77, -30.0

    def open(self) -> None:
        """Three LSTM layers and a projection, filled from the folder's safetensors."""
        import torch
        from safetensors.torch import load_file

        files = sorted(self.bundle.folder.glob("*.safetensors"))
        if not files:
            raise UnsupportedModel(f"{self.id} is not converted.", f"zoo pull {self.id} --convert")
        self.module = torch.nn.ModuleDict(
            {"lstm": torch.nn.LSTM(40, 256, 3, batch_first=True), "linear": torch.nn.Linear(256, 256)}
        )
        tensors = {name.removeprefix("model_state."): value for name, value in load_file(files[0]).items()}
        self.module.load_state_dict({k: v for k, v in tensors.items() if k.startswith(("lstm.", "linear."))})
        hf.place(self)

    def prepare(self, item: Any) -> NDArray[np.float32]:
        """One recording as mel frames `(frames, 40)`, quiet ones made louder."""
        import numpy as np

        sound = read_audio(item, self.rate)
        loudness = 10 * np.log10(max(float(np.mean(sound**2)), 1e-12))
        sound = sound * 10 ** (max(0.0, self.level - loudness) / 20)
        frames = -(-(len(sound) + 1) // self.hop)
        last = max(0, -(-(frames - self.piece) // self.step)) * self.step + self.piece
        return self._mel(np.pad(sound, (0, max(0, last * self.hop - len(sound)))))

    def _mel(self, sound: Any) -> NDArray[np.float32]:
        import numpy as np
        from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

        filters = mel_filter_bank(201, 40, 0.0, 8_000.0, self.rate, norm="slaney", mel_scale="slaney")
        mel = spectrogram(
            sound,
            window_function(400, "hann"),
            400,
            self.hop,
            power=2.0,
            mel_filters=filters,
            pad_mode="constant",
        )
        frames: NDArray[np.float32] = mel.T.astype(np.float32)
        return frames

    def weigh(self, sample: Any) -> int:
        """Its length in samples."""
        return len(sample) * self.hop

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """An `Embedding` for each recording."""
        return [Embedding(row) for row in self.features(samples)]

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """Unit vectors `(n, 256)`: the mean of the vectors of the pieces."""
        import numpy as np
        import torch

        pieces = [
            [mel[i : i + self.piece] for i in range(0, len(mel) - self.piece + 1, self.step)]
            for mel in samples
        ]
        batch = torch.from_numpy(np.stack([piece for own in pieces for piece in own]))
        kind = next(self.module.parameters()).dtype
        _, (hidden, _) = self.module["lstm"](batch.to(self.device, kind))
        vectors = torch.nn.functional.normalize(self.module["linear"](hidden[-1]).relu().float(), dim=-1)
        means = torch.stack([own.mean(0) for own in torch.split(vectors, [len(own) for own in pieces])])
        rows: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=-1).cpu().numpy()
        return rows
