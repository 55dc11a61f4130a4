use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use secrecy::ExposeSecret;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tollgate::{
    audit::Log,
    core::fact::Peer,
    llm::{Dialect, Endpoint, Prices, Upstream, simulated},
};

use crate::{
    Error,
    admin::{self, Admin, TargetDesk},
    config::{Config, SIMULATED, changed},
    connection::Connection,
    operators::Operators,
    stack,
    stores::Stores,
    tls,
};

/// The gateway with its sockets bound.
pub(crate) struct Server {
    config: Arc<Config>,
    data: TcpListener,
    operators: TcpListener,
    admin: Admin,
    stores: Stores,
    upstream: Upstream,
    log: Log,
    signals: Signals,
}

impl Server {
    /// Binds the sockets, starts the built-in provider, and opens the audit log.
    pub(crate) async fn bind(mut config: Config) -> Result<Self, Error> {
        let data = bind(config.server.listen).await?;
        let operators = bind(config.server.admin).await?;
        if !config.server.admin.ip().is_loopback() {
            tracing::warn!(
                "metrics are served to whoever can reach {}",
                config.server.admin
            );
        }
        config.server.listen = data.local_addr()?;
        config.server.admin = operators.local_addr()?;
        let mut endpoints = Vec::new();
        for provider in &config.providers {
            endpoints.push(provider.endpoint()?);
        }
        if config.simulated.is_on() {
            endpoints.extend(simulated_provider(config.simulated.pace).await?);
        }
        let path = &config.audit.path;
        let log = stack::log(&config.audit)
            .map_err(|error| format!("cannot open the audit log {}: {error}", path.display()))?;
        let stores = Stores::open(&config).await?;
        let (sender, prices) = watch::channel(config.prices()?);
        let config = Arc::new(config);
        tokio::spawn(watch_prices(Arc::clone(&config), sender));
        Ok(Self {
            upstream: Upstream::new(endpoints).watch_prices(prices),
            admin: Admin::install()?,
            data,
            operators,
            stores,
            config,
            log,
            signals: Signals::new()?, // Before anybody is told that it has started.
        })
    }

    /// What to tell whoever started it.
    pub(crate) fn greeting(&self) -> String {
        let server = &self.config.server;
        let mut text = format!(
            "tollgate-gateway {}\n\n  callers    {}/v1\n  metrics    http://{}/metrics\n  audit log  {}\n",
            env!("CARGO_PKG_VERSION"),
            server.url(),
            server.admin,
            self.config.audit.path.display(),
        );
        let fresh = self.config.keys.iter().find(|key| key.is_fresh);
        if let Some(key) = fresh.and_then(|key| key.key.as_ref()) {
            let (key, model) = (key.expose_secret(), &self.config.models[0].name);
            text += &format!(
                "  key        {key}\n\ncurl {}/v1/chat/completions ",
                server.url()
            );
            text +=
                &format!("-H 'authorization: Bearer {key}' -H 'content-type: application/json' ");
            text += &format!(
                "-d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'\n"
            );
        }
        text
    }

    /// Serves until a signal asks it to stop; then takes no new connections, and lets those that are served end.
    pub(crate) async fn serve(self) -> Result<(), Error> {
        let (config, stores) = (&self.config, &self.stores);
        let spending = stack::spending(config, stores, &self.upstream);
        let targets = TargetDesk(spending.clone());
        let service = stack::stack(config, stores, self.upstream, spending, self.log.clone())?;
        tokio::spawn(self.admin.clone().upkeep());
        let api = admin::api(
            stores.keys.clone(),
            stores.budgets.clone(),
            targets,
            stores.usage.clone(),
        );
        let ring = stores.keys.as_ref().map(|desk| desk.ring.clone());
        let token = config.admin.token.as_ref();
        let router = self.admin.clone().router(api, token, ring);
        let deadline = config.server.header_timeout;

        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(deadline);
        // Bounds on work a connection, against resets and floods of frames.
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .max_header_list_size(64 << 10)
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(Some(256))
            .keep_alive_interval(Some(Duration::from_secs(30)));
        let operators = Operators {
            http: http.clone(),
            service: router,
            deadline,
        };
        tokio::spawn(operators.serve(self.operators));
        let tls = self
            .config
            .server
            .tls
            .as_ref()
            .map(tls::acceptor)
            .transpose()?;
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut signals = self.signals;
        loop {
            let socket = tokio::select! {
                socket = accept(&self.data) => socket,
                () = signals.next() => break,
            };
            let (socket, address) = socket;
            let connection = Connection {
                http: http.clone(),
                service: service.clone(),
                deadline,
                watcher: graceful.watcher(),
            };
            match tls.clone() {
                None => {
                    connections.spawn(connection.serve(TokioIo::new(socket), Peer::new(address)))
                }
                Some(tls) => connections.spawn(async move {
                    let handshake = timeout(connection.deadline, tls.accept(socket));
                    // Who cannot agree on encryption gets no answer that it could read.
                    if let Ok(Ok(stream)) = handshake.await {
                        let peer = tls::peer(&stream, address);
                        connection.serve(TokioIo::new(stream), peer).await;
                    }
                }),
            };
            while connections.try_join_next().is_some() {}
        }
        self.admin.drain();
        drop(self.data);
        tracing::info!(connections = graceful.count(), "draining");
        tokio::select! {
            () = graceful.shutdown() => {}
            () = sleep(self.config.server.drain) => tracing::warn!("some requests did not end in time"),
            () = signals.next() => tracing::warn!("stopped before all requests had ended"),
        }
        // Those that are cut off now are recorded as cancelled, before the log is closed.
        connections.shutdown().await;
        let log = self.log;
        // Streams of HTTP/2 are tasks of their own, and take a moment to hear that their connection is gone.
        let recorded = async {
            while log.pending() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(Duration::from_secs(1), recorded).await;
        self.stores.close().await;
        tokio::task::spawn_blocking(move || log.close()).await??;
        Ok(())
    }
}

/// A connection. When none can be accepted, mostly for want of files, it waits until some are closed.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                // Small frames of a stream must not wait for more.
                let _ = socket.set_nodelay(true);
                return (socket, address);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

/// Starts the built-in provider on a socket of its own, with a key of its own. It speaks all dialects.
async fn simulated_provider(pace: Duration) -> Result<Vec<Endpoint>, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let provider = simulated::Simulated::new().key("sk-simulated").pace(pace);
    tokio::spawn(provider.serve(listener));
    let endpoints = SIMULATED.map(|(name, dialect)| {
        let version = match dialect {
            Dialect::Gemini => "v1beta",
            _ => "v1",
        };
        Endpoint::new(name, &format!("http://{address}/{version}"))?
            .dialect(dialect)
            .key("sk-simulated".into())
    });
    Ok(endpoints.into_iter().collect::<Result<_, _>>()?)
}

/// Reads the file of prices again when it has changed. One that cannot be read leaves the prices as they were.
async fn watch_prices(config: Arc<Config>, prices: watch::Sender<Prices>) {
    let Some(path) = &config.prices.file else {
        return;
    };
    let mut read = changed(path).ok();
    let mut ticks = tokio::time::interval(PRICES_READ);
    loop {
        ticks.tick().await;
        let now = changed(path).ok();
        if now == read {
            continue;
        }
        read = now;
        match config.prices() {
            Ok(new) => {
                prices.send_replace(new);
                tracing::info!(path = %path.display(), "the prices were read again");
            }
            Err(error) => {
                let error = crate::chain(&error);
                tracing::warn!(error, "the prices stay as they were");
            }
        }
    }
}

/// How often it is looked whether the file of prices has changed.
const PRICES_READ: Duration = Duration::from_secs(1);

/// The signals that ask the process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
