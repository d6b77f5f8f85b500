"""Write the page."""

from bench.performance.page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
