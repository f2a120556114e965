import pathlib
import sys

# The executor is installed in LocalStack's environment, not in ours.
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "localstack" / "executor"))
