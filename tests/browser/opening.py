"""Opens the real page of a running ComfyUI."""


def open_page(browser, url):
    """A page of its own, ready to take a graph."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(url)
    page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph")
    page.wait_for_timeout(2000)
    page.keyboard.press("Escape")  # the template browser opens by itself on a first visit
    return page
