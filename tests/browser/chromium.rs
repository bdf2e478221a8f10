//! Debian's Chromium through its driver: one browser a test, closed whatever becomes of the test.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::site::Site;

/// Ends the driver's process with its owner.
struct Driver {
    process: Child,
    address: String,
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
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let address = format!("http://127.0.0.1:{}", port.unwrap());
        Some(Self { process, address })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A page of a site.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) client: Client,
}

impl Page {
    /// What the module at `path` makes of `argument`: the answer of the function `run` that it exports.
    pub(crate) async fn run(&self, path: &str, argument: Value) -> Value {
        let script = "const [path, argument, done] = arguments;\
            import(path).then((module) => module.run(argument))\
            .then(done, (error) => done({ error: String(error.stack ?? error) }));";
        let answer = self.client.execute_async(script, vec![json!(path), argument]).await.unwrap();
        assert_eq!(
            answer.get("error"),
            None,
            "{path}: {}",
            answer["error"].as_str().unwrap_or("?")
        );
        answer
    }

    /// What broke the content security policy so far, and which other hosts were asked.
    pub(crate) async fn breaches(&self) -> Value {
        let script = "return [...(window.violations ?? []), ...performance.getEntriesByType('resource')\
            .map((entry) => entry.name).filter((name) => new URL(name).origin !== location.origin)];";
        self.client.execute(script, Vec::new()).await.unwrap()
    }
}

/// Opens a page of a site over `made` and hands it to `test`; says SKIPPED, and does nothing, without a browser.
pub(crate) async fn on_page<F>(made: &Path, page: &str, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(driver) = Driver::start() else {
        eprintln!("SKIPPED: no chromedriver (Debian: apt-get install chromium chromium-driver)");
        return;
    };
    let site = Site::serve(made).await;
    // A container has no room for a sandbox, and often a small /dev/shm. What is loaded here is our own.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=900,900",
    ];
    let mut wanted = serde_json::Map::new();
    wanted.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
    wanted.insert("timeouts".to_owned(), json!({ "script": 300_000 }));
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(wanted)
        .connect(&driver.address)
        .await
        .unwrap();
    client.goto(&site.url(page)).await.unwrap();
    // In a task of its own, so that the browser is closed where an assertion fails, too.
    let ended = tokio::spawn(test(Page { client: client.clone() })).await;
    client.close().await.unwrap();
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
