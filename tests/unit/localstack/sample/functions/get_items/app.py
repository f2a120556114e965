import os
import sys

from chalice import Chalice
from words import greeting

app = Chalice(app_name="get_items")


@app.route("/items/{name}")
def get_items(name):
    return {
        "hello": greeting(name),
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "pid": os.getpid(),
        "chalice": sys.modules["chalice"].__file__,
        "seen": sorted(os.environ),
    }
