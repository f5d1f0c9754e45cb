"""Say which items are similar to one, by what their semantic IDs decode to.

python examples/similar_items.py results/sample/rqkmeans_4x256 SAMPLE00012 5
"""

import sys

from semid import SemanticIDs


def main(bundle: str, item_id: str, k: str = "10") -> None:
    ids = SemanticIDs.from_pretrained(bundle)
    print(f"{ids[item_id]:24} {item_id}")
    for neighbour in ids.like(item_id, int(k)):
        print(f"{ids[neighbour.item_id]:24} {neighbour.item_id}  {neighbour.distance:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
