//! Serves the simulated provider by itself, for tests of any language's SDKs.

use std::{env, error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use tokio::{net::TcpListener, runtime};
use tollgate_llm::simulated::Simulated;

const USAGE: &str = "\
Serves a simulated provider that speaks OpenAI's, Anthropic's and Gemini's dialects, and prints its address.

Usage: tollgate-simulated [--listen ADDRESS] [--pace MILLISECONDS] [--key KEY]

  --listen ADDRESS     where to listen; by default 127.0.0.1:0, a free port of this machine alone
  --pace MILLISECONDS  how long to wait before each word of a stream; by default not at all
  --key KEY            the key to ask for; by default any will do
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tollgate-simulated: {error}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut provider = Simulated::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            print!("{USAGE}");
            return Ok(());
        }
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--listen" => listen = value()?.parse()?,
            "--pace" => provider = provider.pace(Duration::from_millis(value()?.parse()?)),
            "--key" => provider = provider.key(value()?),
            _ => return Err(format!("{argument} is unknown").into()),
        }
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on http://{}", listener.local_addr()?);
        Ok(provider.serve(listener).await?)
    })
}
