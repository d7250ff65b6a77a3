"""A Django project with a page for each thing that can happen."""
