"""How YAML becomes plain values: strictly, so that nothing that was written is lost or turned into something else."""

from collections.abc import Hashable
from typing import Any

import yaml


class Loader(yaml.CSafeLoader):
    """Refuses a key that is given twice (YAML 1.2.2 §3.2.1.3), of which one would be lost.

    Dates stay text, and so does what YAML 1.1 takes for numbers to the base of 60: 12:30 is not 750. To read them takes
    time by the square of their length, too.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Raises `yaml.YAMLError` with the line of the second."""
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name = (key.tag, key.value)
            if name in lines:
                what = f"{key.value!r} is given in line {lines[name]} already"
                raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """A whole number, or text with colons."""
        return node.value if ":" in node.value else super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> Any:
        """A number, or text with colons."""
        return node.value if ":" in node.value else super().construct_yaml_float(node)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_yaml_float)
