"""What `POST /images/load` answers."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.parse.docker_load import loaded_images


@pytest.mark.parametrize(
    ("text", "images", "failure"),
    [
        ('{"stream":"Loaded image: a/b:1\\n"}\r\n{"stream":"Loaded image: c:2\\n"}',
         ("a/b:1", "c:2"), ""),
        ('{"stream":"Loaded image: localhost/lab/small:1"}', ("localhost/lab/small:1",), ""),
        ('{"stream":"Loaded image ID: sha256:0d97\\n"}', ("sha256:0d97",), ""),
        ('{"errorDetail":{"message":"no space"},"error":"no space left on device"}',
         (), "no space left on device"),
        ("", (), ""),
        ("[1]\nnull\n{\n" + "[" * 9000, (), ""),
    ],
)  # fmt: skip
def test_an_answer(text: str, images: tuple[str, ...], failure: str) -> None:
    assert loaded_images(text) == (images, failure)
