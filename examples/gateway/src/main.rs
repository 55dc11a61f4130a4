//! An LLM gateway: Tollgate's layers in front of any provider. `tollgate-gateway --help` says how.

mod access;
mod admin;
mod config;
mod connection;
mod operators;
mod pools;
mod server;
mod stack;
mod stores;
mod tls;
mod usage;

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use self::{config::Config, server::Server};

/// An LLM gateway: authenticates callers, holds quotas, caches, balances over providers, breaks circuits, audits.
///
/// Without a configuration it serves a simulated provider on loopback, and prints a key and a line to try it with.
/// With OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY in the environment, those providers' models are on as well.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = false)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration, in TOML.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "TOLLGATE_CONFIG"
    )]
    config: Option<PathBuf>,
    /// Where to serve callers, in the place of the configured address [default: 127.0.0.1:8080].
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to serve operators, in the place of the configured address [default: 127.0.0.1:8081].
    #[arg(long, global = true, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the configuration, and says what it means.
    Check,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tollgate-gateway: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::built_in()?,
    };
    config.server.listen = arguments.listen.unwrap_or(config.server.listen);
    config.server.admin = arguments.admin.unwrap_or(config.server.admin);
    config.validate()?;
    if let Some(Command::Check) = arguments.command {
        say(&config.summary());
        return Ok(());
    }
    let runtime = runtime(config.server.workers)?;
    let served = runtime.block_on(async {
        let server = Server::bind(config).await?;
        say(&server.greeting());
        server.serve().await
    });
    // Connections that outlasted the drain are not waited for.
    runtime.shutdown_background();
    served
}

/// Whoever does not read it is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One worker needs no threads that steal work from each other.
fn runtime(workers: usize) -> std::io::Result<Runtime> {
    match workers {
        1 => Builder::new_current_thread().enable_all().build(),
        workers => Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build(),
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}

/// The C library's returns memory and asks for it again, at a quarter more CPU a request (`BENCHMARKS.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error + Send + Sync>;

const DEFAULT_LOG: &str = "warn,tollgate_gateway=info";
