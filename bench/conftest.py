import os

import pytest

import zoo

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_addoption(parser):
    parser.addoption("--models", default=",".join(zoo.list_models()), help="comma-separated model names")
    parser.addoption("--crop", type=int, default=224, help="side of the square crops in pixels")
    parser.addoption("--batch-size", type=int, default=1, help="crops a step")
    parser.addoption("--precision", default="auto", help="auto, float32, bfloat16 or float16")


def pytest_generate_tests(metafunc):
    if "model_name" in metafunc.fixturenames:
        metafunc.parametrize("model_name", metafunc.config.getoption("--models").split(","))


@pytest.fixture
def options(request):
    return request.config.option
