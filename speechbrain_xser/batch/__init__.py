"""Work on any number of clips in shards: on all cores of a machine, on a cluster, or as a job array."""
