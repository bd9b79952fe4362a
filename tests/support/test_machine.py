"""Which backend Keras will have is known before Keras is imported."""

import os
import subprocess
import sys

import pytest

CODE = "import sys; from zoo.support.machine import keras_backend as b; print(b(), 'keras' in sys.modules)"


@pytest.mark.parametrize(
    ("variable", "held", "expected"),
    [
        (None, None, "tensorflow"),
        (None, '{"backend": "jax"}', "jax"),
        ("", '{"backend": "jax"}', "jax"),
        ("torch", '{"backend": "jax"}', "torch"),
        (None, '{"floatx": "float32"}', "tensorflow"),
        (None, "{", "tensorflow"),
    ],
)
def test_the_backend_that_keras_will_have(tmp_path, variable, held, expected):
    if held is not None:
        (tmp_path / "keras.json").write_text(held)
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(tmp_path)} | ({} if variable is None else {"KERAS_BACKEND": variable})
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected, "False"]
    assert list(tmp_path.glob("*")) == ([tmp_path / "keras.json"] if held is not None else [])
