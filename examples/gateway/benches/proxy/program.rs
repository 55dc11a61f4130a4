use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::Error;

/// Another process, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    running: Running,
    /// Goes after the process that writes in it.
    _folder: Option<TempDir>,
}

impl Program {
    pub(crate) fn mock(pins: Pins) -> Result<Self, Error> {
        let mut command = pins.command(&std::env::current_exe()?, REST);
        Self::start(command.arg("mock"), None)
    }

    pub(crate) fn bare(pins: Pins, upstream: SocketAddr) -> Result<Self, Error> {
        let mut command = pins.command(&std::env::current_exe()?, TARGET);
        Self::start(command.arg("bare").arg(upstream.to_string()), None)
    }

    pub(crate) fn gateway(pins: Pins, upstream: SocketAddr, cache: &str) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("gateway.toml");
        let text = include_str!("gateway.toml")
            .replace("UPSTREAM", &upstream.to_string())
            .replace("FOLDER", &folder.path().to_string_lossy());
        fs::write(&config, text + cache)?;
        let mut command = pins.command(env!("CARGO_BIN_EXE_tollgate-gateway").as_ref(), TARGET);
        command.env_remove("RUST_LOG").arg("--config").arg(config);
        Self::start(&mut command, Some(folder))
    }

    /// Starts it, and waits for the line that says where it serves.
    fn start(command: &mut Command, folder: Option<TempDir>) -> Result<Self, Error> {
        let mut running = Running(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let output = running.0.stdout.take().ok_or("no output")?;
        let (say, said) = mpsc::channel();
        // Reads on to the end, so that the process can always write.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let url = line.split_once("http://").map(|(_, url)| url);
                let address = url.and_then(|url| url.split('/').next()?.parse().ok());
                address.map(|address| say.send(address));
            }
        });
        let address = said.recv_timeout(Duration::from_secs(20));
        Ok(Self {
            address: address.map_err(|_| format!("{command:?} did not start"))?,
            running,
            _folder: folder,
        })
    }

    /// The CPU time of all its threads, in itself and in the kernel for it.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        ticks(&self.read("stat")?, 2)
    }

    /// The MiB of memory in use, now and at most.
    pub(crate) fn memory(&self) -> Result<[f64; 2], Error> {
        let status = self.read("status")?;
        let mib = |name| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
        };
        let memory = mib("VmRSS:").zip(mib("VmHWM:"));
        memory
            .map(Into::into)
            .ok_or_else(|| "a process has ended".into())
    }

    fn read(&self, file: &str) -> Result<String, Error> {
        Ok(fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.running.0.id()
        ))?)
    }
}

/// The CPU time of all programs, less that of this process, the children it had, and the one it still has.
pub(crate) fn foreign(child: &Program) -> Result<Duration, Error> {
    let all = fs::read_to_string("/proc/stat")?;
    let mut all = all
        .split_whitespace()
        .skip(1)
        .take(3)
        .map(str::parse::<u64>);
    let all = all.try_fold(0, |sum, ticks| ticks.map(|ticks| sum + ticks))?;
    let all = Duration::from_millis(all * TICK_MILLIS);
    let own = ticks(&fs::read_to_string("/proc/self/stat")?, 4)? + child.cpu()?;
    Ok(all.saturating_sub(own))
}

/// The first so many of a process's four kinds of CPU time: its own, the kernel's for it, and the same of its children.
fn ticks(stat: &str, kinds: usize) -> Result<Duration, Error> {
    // What precedes the last parenthesis is the program's name, with any characters.
    let (_, fields) = stat.rsplit_once(')').ok_or("a line without a name")?;
    let mut fields = fields
        .split_whitespace()
        .skip(11)
        .take(kinds)
        .map(str::parse::<u64>);
    let sum = fields.try_fold(0, |sum, ticks| ticks.map(|ticks| sum + ticks))?;
    Ok(Duration::from_millis(sum * TICK_MILLIS))
}

/// Whether the target has a core to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pins(bool);

impl Pins {
    /// Moves this process away from the target's core, if `taskset` can.
    pub(crate) fn on_this_process() -> Self {
        let taskset = |arguments: &[&str]| {
            let output = Command::new("taskset").args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        let own = std::process::id().to_string();
        Self(taskset(&["-c", TARGET, "true"]) && taskset(&["-a", "-c", "-p", REST, &own]))
    }

    pub(crate) const fn words(self) -> &'static str {
        if self.0 {
            "target on core 0, all else on core 1"
        } else {
            "nothing is pinned, for want of `taskset` or of cores: expect noise"
        }
    }

    fn command(self, program: &Path, core: &str) -> Command {
        if !self.0 {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(program);
        command
    }
}

/// Serves on loopback, and says where.
pub(crate) async fn serve<S, B>(service: S) -> Result<(), Error>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Error>, Future: Send>,
    S: Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(connection);
    }
}

#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TARGET: &str = "0";
const REST: &str = "1";
/// `USER_HZ` is 100 wherever Linux runs today.
const TICK_MILLIS: u64 = 10;
