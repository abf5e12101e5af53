"""A headless Chromium that a test drives through a pipe (DevTools protocol): it opens a file at a given width, in light or
dark, evaluates expressions in the page, and takes pictures. Not a test itself."""

import base64
import json
import os
import shutil
import subprocess
import tempfile


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="apportion_browser")
        to_child, ours_out = os.pipe()
        ours_in, from_child = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4.
        command = ["sh", "-c", f"exec 3<&{to_child} 4>&{from_child}; exec chromium --headless --no-sandbox --disable-gpu "
                   f"--no-first-run --remote-debugging-pipe --user-data-dir={self.profile} about:blank"]
        self.log = open(os.path.join(self.profile, "log"), "w")
        self.process = subprocess.Popen(command, pass_fds=(to_child, from_child), stdout=self.log, stderr=self.log)
        os.close(to_child)
        os.close(from_child)
        self.out = os.fdopen(ours_out, "wb", buffering=0)
        self.into = os.fdopen(ours_in, "rb")
        self.number, self.session, self.messages = 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session = None
        self.call("Browser.close")
        self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self):
        answer = b""
        while not answer.endswith(b"\0"):
            byte = self.into.read(1)
            assert byte, "the browser is gone: " + open(self.log.name).read()
            answer += byte
        answer = json.loads(answer[:-1])
        if answer.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.requestWillBeSent"):
            self.messages.append((answer["method"], answer["params"]))
        return answer

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def open(self, path, width, height=900, dark=False, scripts=True):
        """Opens a file; `messages` then has what the page printed and what it requested from the network while loading."""
        self.messages = []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while self.receive().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path, whole=True):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                         **({"clip": {"x": 0, "y": 0, "width": self.ask("innerWidth"), "scale": 1,
                                      "height": min(6000, self.ask("document.documentElement.scrollHeight"))}} if whole else {}))
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
