#!/usr/bin/env python3
"""Opens the server's page in a headless Chromium, gives it a photograph, and looks at what it shows."""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from server import FIXTURES, MODELS, Server

PHOTO = FIXTURES / "photos" / "chelsea.jpg"

# As a mouse would: a file is dropped on the field.
DROP = """
const [target, base64] = arguments;
const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
for (const type of ["dragover", "drop"]) {
  target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,1100"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))


def rows(driver: webdriver.Chrome) -> list[tuple[str, float]]:
    cells = [row.find_elements(By.TAG_NAME, "td") for row in driver.find_elements(By.CSS_SELECTOR, "#classes tr")]
    return [(line[0].text, float(line[2].text.removesuffix(" %"))) for line in cells]


def bar_widths(driver: webdriver.Chrome) -> list[float]:
    script = "return [...document.querySelectorAll('.bar')].map((b) => b.firstChild.getBoundingClientRect().width / b.getBoundingClientRect().width)"
    return driver.execute_script(script)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshot", type=Path, help="where to put a picture of the page")
    arguments = parser.parse_args()
    token = "a-token-of-the-check"
    with Server(models=MODELS) as server:
        driver = browser()
        wait = WebDriverWait(driver, 60)
        driver.get(server.url)
        status = driver.find_element(By.ID, "status")
        wait.until(lambda _: driver.find_elements(By.CSS_SELECTOR, "#model option"))
        names = [option.text for option in driver.find_elements(By.CSS_SELECTOR, "#model option")]
        assert names == ["digits", "efficientnet-lite0"], names

        driver.find_element(By.CSS_SELECTOR, "#model option[value='efficientnet-lite0']").click()
        driver.find_element(By.ID, "file").send_keys(str(PHOTO))
        wait.until(lambda _: " ms" in status.text)
        chosen = rows(driver)
        assert len(chosen) == 5 and "cat" in chosen[0][0], chosen
        assert chosen == sorted(chosen, key=lambda row: -row[1])
        assert status.text.startswith(chosen[0][0]), status.text
        for (_, percent), width in zip(chosen, bar_widths(driver)):
            assert abs(100 * width - percent) < 0.1, (percent, width)
        print(f"a chosen file: {chosen[0][0]}, {chosen[0][1]} %")
        if arguments.screenshot:
            driver.save_screenshot(str(arguments.screenshot))

        driver.execute_script("document.getElementById('classes').replaceChildren()")
        encoded = base64.b64encode(PHOTO.read_bytes()).decode()
        driver.execute_script(DROP, driver.find_element(By.ID, "drop"), encoded)
        wait.until(lambda _: rows(driver))
        assert rows(driver) == chosen
        print("a dropped file: the same")

        driver.find_element(By.ID, "file").send_keys(str(FIXTURES / "digits" / "labels.txt"))
        wait.until(lambda _: "error" in status.get_attribute("class"))
        assert not driver.find_element(By.ID, "result").is_displayed()
        print(f"no image: {status.text}")

        # For those who see or point differently: all that can be used has a name and is reached by the keyboard.
        assert driver.execute_script("return document.documentElement.lang") == "en"
        reached = []
        driver.find_element(By.TAG_NAME, "body").click()
        for _ in range(8):
            webdriver.ActionChains(driver).send_keys(Keys.TAB).perform()
            reached.append(driver.switch_to.active_element.get_attribute("id"))
        assert "model" in reached and "file" in reached, reached
        for identifier in ("model", "file"):
            name = driver.find_element(By.ID, identifier).accessible_name
            assert name, identifier
        print("by keyboard: model and file are reached, and have names")
        foreign = [entry["message"] for entry in driver.get_log("performance") if "requestWillBeSent\"" in entry["message"]]
        assert all(server.address in text or '"url":"data:' in text or '"url":"blob:' in text for text in foreign), foreign
        failures = [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE" and "400" not in e["message"]]
        assert not failures, failures
        print("no request to anyone else, no error in the console")
        driver.quit()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "token")
        path.write_text(token)
        with Server("--bearer-token-file", str(path), models=MODELS) as server:
            driver = browser()
            driver.get(server.url)
            field = driver.find_element(By.ID, "token")
            WebDriverWait(driver, 60).until(lambda _: field.is_displayed())
            field.send_keys(token)
            driver.find_element(By.ID, "token-use").click()
            WebDriverWait(driver, 60).until(lambda _: driver.find_elements(By.CSS_SELECTOR, "#model option"))
            print("a token is asked for, and used")
            driver.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
