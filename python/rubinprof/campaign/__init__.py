"""Questions to a whole campaign: millions of quanta in a store that `add` fills. docs/guide/campaign.md is the guide."""

from rubinprof.campaign.add import add
from rubinprof.campaign.metadata import add_butler, add_summaries
from rubinprof.campaign.provenance import add_provenance
from rubinprof.campaign.query import Campaign, open
from rubinprof.campaign.remote_store import copy
from rubinprof.campaign.store import Store

__all__ = ["Campaign", "Store", "add", "add_butler", "add_provenance", "add_summaries", "copy", "open"]
