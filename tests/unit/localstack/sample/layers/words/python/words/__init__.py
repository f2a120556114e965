def greeting(name):
    return f"Good day, {name}"
