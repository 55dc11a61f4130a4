use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Events, eventually, program, soon};

/// A gateway in a process of its own, in a folder of its own, on ports that were free; killed when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    folder: Arc<TempDir>,
    url: String,
    admin: String,
    printed: Arc<Mutex<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Gateway {
    /// Starts one, with the text of a configuration file or with none.
    ///
    /// # Panics
    ///
    /// When it ends before it is ready.
    pub async fn start(config: Option<&str>) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same, with variables in its environment.
    ///
    /// # Panics
    ///
    /// When it ends before it is ready.
    pub async fn start_with(config: Option<&str>, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        Self::start_in(Arc::new(folder), config, environment).await
    }

    /// The same, in a folder where another has been before.
    ///
    /// # Panics
    ///
    /// When it ends before it is ready.
    pub async fn start_in(
        folder: Arc<TempDir>,
        config: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = program::command(folder.path());
        command.envs(environment.iter().copied());
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        if let Some(config) = config {
            let path = folder.path().join("tollgate.toml");
            std::fs::write(&path, config).expect("the folder can be written to");
            command.arg("--config").arg(path);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway's program starts");

        let printed = Arc::<Mutex<String>>::default();
        collect(child.stdout.take(), Arc::clone(&printed));
        collect(child.stderr.take(), Arc::clone(&printed));

        let mut gateway = Self {
            child,
            folder,
            url: String::new(),
            admin: String::new(),
            printed,
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        gateway.wait_until_ready().await;
        gateway
    }

    async fn wait_until_ready(&mut self) {
        let (url, admin) = eventually("the gateway's start", async || {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                panic!("the gateway ended with {status}:\n{}", self.printed());
            }
            addresses(&self.printed())
        })
        .await;
        (self.url, self.admin) = (url, admin);
    }

    /// Where clients reach it, such as `http://127.0.0.1:8080`, or over TLS `https://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder that it runs in, to start another there.
    #[must_use]
    pub fn shared_folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Where operators reach it.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin
    }

    /// Kills it, without a chance to clean up.
    ///
    /// # Panics
    ///
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.signal(if frozen { "-STOP" } else { "-CONT" });
    }

    /// The folder that it runs in.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// All that it has printed so far.
    ///
    /// # Panics
    ///
    /// When a reader has panicked.
    #[must_use]
    pub fn printed(&self) -> String {
        self.printed.lock().expect("readers do not panic").clone()
    }

    /// The key that it has made up, when it was started without a configuration.
    ///
    /// # Panics
    ///
    /// When it has printed none.
    #[must_use]
    pub fn key(&self) -> String {
        let printed = self.printed();
        let start = printed.find("tg-").expect("a key is printed");
        let key = printed[start..].chars();
        key.take_while(|char| char.is_ascii_alphanumeric() || "-_".contains(*char))
            .collect()
    }

    /// A request with a key and a body of JSON.
    ///
    /// # Panics
    ///
    /// When the path is not one.
    #[must_use]
    pub fn post(&self, path: &str, key: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))
            .expect("the request is sound")
    }

    /// Sends a request, and waits for the head of the answer.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let response = soon("the answer's head", self.client.request(request)).await;
        response.unwrap_or_else(|error| panic!("{error:?}\n{}", self.printed()))
    }

    /// Sends a request, and reads the answer whole.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::read(self.open(request).await).await
    }

    /// Asks for a chat completion.
    pub async fn chat(&self, key: &str, body: Value) -> Answer {
        self.send(self.post("/v1/chat/completions", key, body.to_string()))
            .await
    }

    /// Asks for a chat completion in pieces.
    pub async fn stream(&self, key: &str, mut body: Value) -> Events {
        body["stream"] = true.into();
        let request = self.post("/v1/chat/completions", key, body.to_string());
        Events::of(self.open(request).await)
    }

    /// Gets a page with a key.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn get(&self, path: &str, key: &str) -> Answer {
        let mut request = self.post(path, key, "");
        *request.method_mut() = Method::GET;
        request.headers_mut().remove(header::CONTENT_TYPE);
        self.send(request).await
    }

    /// Gets a page of the operator's.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn admin(&self, path: &str) -> Answer {
        let uri = format!("{}{path}", self.admin);
        let request = Request::get(uri)
            .body(Full::default())
            .expect("the request is sound");
        self.send(request).await
    }

    /// A request of the operator's, with a body of JSON or with none.
    ///
    /// # Panics
    ///
    /// When the path is not one.
    #[must_use]
    pub fn operation(&self, method: Method, path: &str, body: Value) -> Request<Full<Bytes>> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.admin))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .expect("the request is sound")
    }

    /// Asks for something as an operator does.
    pub async fn manage(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(self.operation(method, path, body)).await
    }

    /// The records of what happened, once there are so many.
    ///
    /// # Panics
    ///
    /// When there are fewer for long, or one is not JSON.
    pub async fn records(&self, count: usize) -> Vec<Value> {
        let path = self.folder.path().join("tollgate-data/audit.jsonl");
        eventually("an audit record", async || {
            let lines = std::fs::read_to_string(&path).unwrap_or_default();
            let whole = &lines[..lines.rfind('\n').map_or(0, |end| end + 1)];
            let records: Vec<Value> = whole
                .lines()
                .map(|line| serde_json::from_str(line).expect("a record is JSON"))
                .collect();
            (records.len() >= count).then_some(records)
        })
        .await
    }

    /// Asks it to end, as an operator does.
    ///
    /// # Panics
    ///
    /// When it cannot be asked.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let asked = std::process::Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(
            asked.is_ok_and(|status| status.success()),
            "the gateway has ended already"
        );
    }

    /// How it ended, once it has.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn exit(&mut self) -> ExitStatus {
        eventually("the gateway's end", async || {
            self.child.try_wait().expect("it is our child")
        })
        .await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway printed:\n{}", self.printed());
        }
    }
}

/// The addresses that it prints: first the one for clients, then the one for operators.
fn addresses(printed: &str) -> Option<(String, String)> {
    let url = |line: &str| {
        let (before, rest) = line.split_once("://127.0.0.1:")?;
        let scheme = before.rsplit(' ').next()?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("{scheme}://127.0.0.1:{port}"))
    };
    let admin = printed
        .lines()
        .filter(|line| line.contains("/metrics"))
        .find_map(url)?;
    let data = printed.lines().filter_map(url).find(|url| *url != admin)?;
    Some((data, admin))
}

/// Keeps what a program prints, so that it never waits for a reader.
fn collect(from: Option<impl Read + Send + 'static>, into: Arc<Mutex<String>>) {
    let from = BufReader::new(from.expect("it is a pipe"));
    thread::spawn(move || {
        for line in from.lines().map_while(Result::ok) {
            let mut into = into.lock().expect("nobody panics with it");
            into.push_str(&line);
            into.push('\n');
        }
    });
}
