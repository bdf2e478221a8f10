//! Debian's Chromium through its driver: one browser a test, closed whatever becomes of the test.

use std::io::{BufRead as _, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::waiting::until;

use crate::site::Site;
use crate::webdriver::Session;

/// Ends the driver's process with its owner.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts the driver on a free port; nothing where it is not installed.
    fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().ok()?;
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // "ChromeDriver was started successfully on port 39167."
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        Some(Self { process, port: port.unwrap() })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A page of a site.
pub(crate) struct Page {
    pub(crate) session: Session,
}

impl Page {
    /// What the module at `path` makes of `argument`: the answer of the function `run` that it exports.
    pub(crate) fn run(&self, path: &str, argument: Value) -> Value {
        let script = "const [path, argument, done] = arguments;\
            import(path).then((module) => module.run(argument))\
            .then(done, (error) => done({ error: String(error.stack ?? error) }));";
        let answer = self.session.execute_async(script, &[json!(path), argument]);
        assert_eq!(
            answer.get("error"),
            None,
            "{path}: {}",
            answer["error"].as_str().unwrap_or("?")
        );
        answer
    }

    /// What the first element that fits says.
    pub(crate) fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent.trim() ?? '';";
        self.session.execute(script, &[json!(css)]).as_str().unwrap().to_owned()
    }

    /// Waits until an element says so.
    pub(crate) fn says(&self, css: &str, words: &str) {
        let said = until(|| self.text(css).contains(words).then_some(()));
        assert!(said.is_some(), "{css} never says {words:?}, but {:?}", self.text(css));
    }

    /// Clicks the first element that fits, as a mouse does.
    pub(crate) fn click(&self, css: &str) {
        let found = self.session.find_all(css);
        let first = found.first().unwrap_or_else(|| panic!("there is no {css} to click"));
        self.session.click(first);
    }

    /// What the page's console complained of since it was last asked: errors, and what the policy stopped.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let lines = self.session.console();
        let lines = lines.iter().filter(|line| line["level"] == "SEVERE");
        lines.map(|line| line["message"].as_str().unwrap_or("?").to_owned()).collect()
    }

    /// How wide and in which theme it is shown.
    pub(crate) fn look(&self, width: u32, theme: &str) {
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.session.command("Emulation.setDeviceMetricsOverride", screen);
        let theme = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.session.command("Emulation.setEmulatedMedia", theme);
    }

    /// Leaves a picture of what is to be seen in the folder `POTLUCK_SCREENSHOTS`, where that is set, for
    /// somebody to look at.
    pub(crate) fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("POTLUCK_SCREENSHOTS") else { return };
        let bytes = STANDARD.decode(self.session.screenshot()).unwrap();
        std::fs::write(Path::new(&folder).join(name).with_extension("png"), bytes).unwrap();
    }

    /// What broke the content security policy so far, and which other hosts were asked.
    pub(crate) fn breaches(&self) -> Value {
        let script = "return [...(window.violations ?? []), ...performance.getEntriesByType('resource')\
            .map((entry) => entry.name).filter((name) => new URL(name).origin !== location.origin)];";
        self.session.execute(script, &[])
    }
}

/// Opens a page of a site over `made` and hands it to `test`; says SKIPPED, and does nothing, without a
/// browser.
pub(crate) fn on_page(made: &Path, page: &str, test: impl FnOnce(&Page)) {
    in_browser(|browser| {
        let site = Site::serve(made);
        browser.session.go_to(&site.url(page));
        test(browser);
    });
}

/// Opens a browser and hands it to `test`; says SKIPPED, and does nothing, where there is none.
pub(crate) fn in_browser(test: impl FnOnce(&Page)) {
    let Some(driver) = Driver::start() else {
        eprintln!("SKIPPED: no chromedriver (Debian: apt-get install chromium chromium-driver)");
        return;
    };
    // A container has no room for a sandbox, and often a small /dev/shm. What is loaded here is our own.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=900,900",
        // Whoever names another host is told that there is none, and the page's console says so.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ];
    let capabilities = json!({
        "goog:chromeOptions": {"args": arguments},
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": 300_000},
    });
    let page = Page { session: Session::open(driver.port, capabilities) };
    // The browser is closed where an assertion fails, too.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| test(&page)));
    page.session.close();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
