import base64
import os
import sys

from chalice import Chalice, Response
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


@app.route("/echo", methods=["POST"], content_types=["application/x-git"])
def post_echo():
    class Bytes(Response):
        def to_dict(self, binary_types=None):
            encoded = super().to_dict(binary_types)
            return encoded | {"body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}

    request = app.current_request
    return Bytes(
        request.raw_body,
        headers={
            "Content-Type": "application/x-git",
            "X-Was-Base64": str(request._is_base64_encoded),
            "Set-Cookie": ["one=1", "two=2"],
        },
    )
