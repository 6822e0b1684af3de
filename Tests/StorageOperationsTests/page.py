"""Opens the page in headless Chromium, over the browser's debugging pipe, and tells what a person would see.

Arguments: the page's URL, the NATS server's, a folder for screenshots. Prints JSON.
"""
import asyncio, json, os, subprocess, sys, time
import nats

page_url, nats_url, folder = sys.argv[1:4]
NASTY = 'dir/<img src=x onerror="window.hacked=1">&amp;\u202e"\'`${1}'


class Browser:
    def __init__(self):
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()

        def prepare():
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)

        # The pipes must not lie where they are put.
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}/profile",
             "--window-size=1400,1150", "about:blank"],
            preexec_fn=prepare, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.number = 0
        self.waiting = {}
        self.console = []
        self.rest = b""

    async def start(self):
        loop = asyncio.get_running_loop()
        self.reader = asyncio.StreamReader(limit=1 << 26)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self.reader), os.fdopen(self.read_end, "rb"))
        self.task = asyncio.create_task(self.read())
        target = (await self.call("Target.createTarget", {"url": "about:blank"}))["targetId"]
        self.session = (await self.call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(domain + ".enable")

    async def read(self):
        while True:
            message = json.loads((await self.reader.readuntil(b"\0"))[:-1])
            if "id" in message:
                self.waiting.pop(message["id"]).set_result(message)
            elif message["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.console.append(json.dumps(message["params"]))

    async def call(self, method, parameters=None, session=None):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        future = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        answer = await asyncio.wait_for(future, 120)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    async def ask(self, method, parameters=None):
        return await self.call(method, parameters, self.session)

    async def run(self, expression):
        answer = await self.ask("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, expression, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = await self.run(expression)
            if value:
                return value
            await asyncio.sleep(0.02)
        raise RuntimeError("never: " + expression)

    async def picture(self, name):
        import base64
        data = (await self.ask("Page.captureScreenshot", {"captureBeyondViewport": True}))["data"]
        with open(os.path.join(folder, name), "wb") as file:
            file.write(base64.b64decode(data))


async def load(client, seconds):
    """Something to look at: puts, gets, and some that fail."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        key = f"sensors/{number % 7}/{number:05}"
        await client.request("storage.t.put", os.urandom(200 + number % 3000), headers={"Storage-Key": key})
        await client.request("storage.t.get", key.encode())
        if number % 5 == 0:
            await client.request("storage.t.put", b"", headers={"Storage-Key": key, "Storage-If-None-Match": "*"})
        if number % 9 == 0:
            await client.request("storage.t.delete", key.encode())
        await asyncio.sleep(0.01)


async def main():
    client = await nats.connect(nats_url)
    browser = Browser()
    try:
        await browser.start()
        await browser.ask("Page.navigate", {"url": page_url})
        await browser.until("document.getElementById('status')?.textContent === 'ready'")
        delays = []
        for number in range(5):
            start = time.monotonic()
            await client.request("storage.t.put", b"x", headers={"Storage-Key": f"live/{number}"})
            await browser.until(f"[...document.querySelectorAll('#events .key')].some(k => k.textContent === 'live/{number}')")
            delays.append(time.monotonic() - start)
        await client.request("storage.t.put", b"x", headers={"Storage-Key": NASTY, "Content-Type": "<b>x</b>"})
        await client.request("storage.t.put", b"x", headers={"Storage-Key": NASTY, "Storage-If-None-Match": "*"})
        await browser.until("document.querySelector('#errors code')?.textContent === 'precondition_failed'")
        # Before there are so many errors that this one leaves the page.
        nasty = await browser.run(f"[...document.querySelectorAll('#errors .message')].some(m => m.textContent.includes({json.dumps(NASTY)}))")
        loading = asyncio.create_task(load(client, 600))
        await asyncio.sleep(4)
        seen = {
            "delays": delays,
            "nasty": nasty,
            "rate": await browser.until("parseFloat(document.querySelector('.figures dd').textContent) > 0"),
            "connections": await browser.run("document.getElementById('nats').textContent"),
        }
        await browser.run("document.getElementById('prefix').value = 'dir/'; document.getElementById('go').requestSubmit()")
        await browser.until(f"[...document.querySelectorAll('#keys .key')].some(k => k.textContent === {json.dumps(NASTY)})")
        await browser.run("document.querySelector('#crumbs button').click()")
        await browser.until("[...document.querySelectorAll('#keys .folder')].some(k => k.textContent === 'sensors/')")
        await browser.run("[...document.querySelectorAll('#keys .folder')].find(k => k.textContent === 'sensors/').click()")
        await browser.until("[...document.querySelectorAll('#keys .folder')].some(k => k.textContent === 'sensors/3/')")
        await browser.run("[...document.querySelectorAll('#keys .folder')].find(k => k.textContent === 'sensors/3/').click()")
        await browser.until("[...document.querySelectorAll('#keys td.key')].length > 3")
        await browser.run("document.querySelector('.chip.retrieved').click()")
        seen["filtered"] = await browser.run("[...document.querySelectorAll('#events tr')].every(r => r.hidden === (r.dataset.type === 'retrieved'))")
        await browser.run("document.querySelector('.chip.retrieved').click()")
        await browser.picture("light.png")
        await browser.ask("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        seen["dark"] = await browser.run("getComputedStyle(document.body).backgroundColor")
        await browser.picture("dark.png")
        await browser.ask("Emulation.setDeviceMetricsOverride", {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True})
        seen["overflow"] = await browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        await browser.picture("narrow.png")
        seen["hacked"] = await browser.run("window.hacked ?? 0")
        seen["images"] = await browser.run("document.images.length")
        seen["console"] = browser.console
        print(json.dumps(seen))
        loading.cancel()
    finally:
        browser.process.kill()
        await client.close()


asyncio.run(main())
