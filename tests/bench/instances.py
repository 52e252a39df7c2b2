"""Files of instances, each with a loopback address of its own."""

FEW = 10
FIRST_ADDRESS = (127 << 24) + (1 << 16) + 1  # 127.1.0.1


def address(index):
    value = FIRST_ADDRESS + index
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def name(index):
    return f"guest-{index:06}"


def write_instances(path, count, more=""):
    """A file of that many; more goes into each one's braces."""
    with open(path, "w", encoding="ascii") as file:
        for index in range(count):
            file.write(
                f"- {{name: {name(index)}, match: {{addresses: [{address(index)}]}}, "
                f"metadataOptions: {{httpTokens: optional}}, tags: {{env: bench}}{more}}}\n"
            )
    return path


def from_file(path):
    return f"instances: {path}\n"
