"""Telling a team in time that its money ends: levels that it sets, each told of once per crossing."""
