"""`headcount train label`: heads clicked on a camera's frames in the browser."""
