"""Commands of ``dwaybank``; each module registers its own. Heavy imports happen inside them: help is instant."""
