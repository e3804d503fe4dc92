# SPDX-License-Identifier: Apache-2.0
"""Pictures of every kind become the pixels that they show, or are refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mapping.importer.pictures import picture, resized
from pyimc.errors import ConfigError

RAMP = np.linspace(0, 1, 4096).reshape(64, 64)


def grey(path: Path) -> NDArray[np.uint8]:
    return np.asarray(picture(path, 1))


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, name: str) -> None:
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / name)
    found = grey(tmp_path / name)
    assert abs(found.mean() - 127.5) < 0.5 and (found.min(), found.max()) == (0, 255)
    assert np.abs(found - RAMP * 255).max() <= 1


def test_float_pictures_are_of_0_to_1_or_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "x.tif")
    assert np.abs(grey(tmp_path / "x.tif") - RAMP * 255).max() <= 0.5
    Image.fromarray((RAMP * 700).astype(np.float32)).save(tmp_path / "y.tif")
    with pytest.raises(ConfigError, match=r"y.tif: a picture of float values from 0 to 700, needs 0..1"):
        grey(tmp_path / "y.tif")
    Image.fromarray((RAMP * 10**6).astype(np.int32)).save(tmp_path / "z.tif")
    with pytest.raises(ConfigError, match=r"z.tif: pixels from 0 to 1000000, needs 8 or 16 bits"):
        grey(tmp_path / "z.tif")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_a_colour_is_the_same_in_every_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    assert np.asarray(picture(path, 3)).min() >= 254 and np.asarray(picture(path, 1)).min() >= 254


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "x.png")
    assert np.asarray(picture(tmp_path / "x.png", 3)).min() == 255
    Image.new("RGBA", (4, 4), (255, 0, 0, 255)).save(tmp_path / "y.png")
    assert np.asarray(picture(tmp_path / "y.png", 3))[0, 0].tolist() == [255, 0, 0]


def test_a_picture_stands_as_its_camera_noted(tmp_path: Path) -> None:
    turned = Image.new("L", (4, 2), 0)
    turned.putpixel((0, 0), 255)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "x.png", exif=exif)
    found = picture(tmp_path / "x.png", 1)
    assert found.size == (2, 4) and found.getpixel((1, 0)) == 255


def test_a_picture_beyond_all_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (50, 50)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ConfigError, match=r"x.png: too large a picture .* make it smaller") as caught:
        picture(tmp_path / "x.png", 1)
    assert "\n" not in str(caught.value)


def test_the_middle_is_cut_out_after_the_shorter_side_is_resized() -> None:
    wide = Image.new("L", (40, 20), 0)
    wide.paste(255, (10, 0, 30, 20))
    assert resized(wide, 10, 10, 10)[:, :, 2:-2].min() == 255, "the black sides are cut off"
    assert resized(wide, 10, 10, None).min() == 0
    with pytest.raises(ConfigError, match="resize 5 is too small to cut 10 x 10 pixels out"):
        resized(wide, 10, 10, 5)
