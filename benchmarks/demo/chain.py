"""Print the calls from ``runQuantum`` down to GalSim's hottest C++ function."""

import sys

import rubinprof


def chain_to(nodes, node):
    """Return the nodes from ``runQuantum`` down to this one."""
    chain = [node]
    while node["parent"] >= 0 and not (node["function"] or "").endswith(".runQuantum"):
        node = nodes[node["parent"]]
        chain.append(node)
    return chain[::-1]


def main(traces):
    """Print one line a call: CPU time with all that it called, name, place."""
    nodes = rubinprof.open(traces).tree(region="drawStars", min_share=0.002)["nodes"]
    galsim = [node for node in nodes if node["kind"] == "native" and "galsim::" in (node["function"] or "")]
    if not galsim:
        sys.exit("no CPU sample fell into GalSim's C++ code: run it once more")
    for node in chain_to(nodes, max(galsim, key=lambda node: node["self"]["cpu_s"])):
        place = f"{node['file'].rpartition('/')[2]}:{node['line']}" if node["file"] and node["line"] else node["module"].rpartition("/")[2]
        language = "Python" if node["kind"] == "python" else "C++"
        print(f"{1e3 * node['total']['cpu_s']:9.1f} ms  {language:6}  {node['function'][:70]:70}  {place}")


if __name__ == "__main__":
    main(sys.argv[1])
