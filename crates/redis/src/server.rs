use std::fmt;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use secrecy::{ExposeSecret, SecretString};

/// Where Redis is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Server {
    /// With passwords.
    nodes: Vec<ConnectionInfo>,
    cluster: bool,
    #[cfg(feature = "tls")]
    ca: Option<Vec<u8>>,
}

impl Server {
    pub(crate) fn single(url: &SecretString) -> RedisResult<Self> {
        Self::new(std::slice::from_ref(url), false)
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn cluster(urls: &[SecretString]) -> RedisResult<Self> {
        Self::new(urls, true)
    }

    fn new(urls: &[SecretString], cluster: bool) -> RedisResult<Self> {
        let server = Self {
            nodes: urls
                .iter()
                .map(|url| url.expose_secret().into_connection_info())
                .collect::<RedisResult<_>>()?,
            cluster,
            #[cfg(feature = "tls")]
            ca: None,
        };
        server.client().map(|_| server)
    }

    /// Trusts this certificate authority, in PEM, in place of the public ones.
    #[cfg(feature = "tls")]
    pub(crate) fn ca(self, pem: Vec<u8>) -> RedisResult<Self> {
        let server = Self {
            ca: Some(pem),
            ..self
        };
        server.client().map(|_| server)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster
    }

    pub(crate) async fn connect(&self) -> RedisResult<Connection> {
        match self.client()? {
            Dial::Single(client) => {
                // Deadlines are ours.
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(None)
                    .set_response_timeout(None);
                let connection = client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?;
                Ok(Connection::Single(connection))
            }
            #[cfg(feature = "cluster")]
            Dial::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }

    fn client(&self) -> RedisResult<Dial> {
        #[cfg(feature = "tls")]
        let certificates = self.ca.as_ref().map(|pem| redis::TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.clone()),
        });
        #[cfg(feature = "cluster")]
        if self.cluster {
            let builder = redis::cluster::ClusterClient::builder(self.nodes.clone());
            #[cfg(feature = "tls")]
            let builder = match certificates {
                Some(certificates) => builder.certs(certificates),
                None => builder,
            };
            return builder
                .build()
                .map(|client| Dial::Cluster(Box::new(client)));
        }
        let node = self.nodes.first().cloned().ok_or_else(nowhere)?;
        #[cfg(feature = "tls")]
        if let Some(certificates) = certificates {
            return Client::build_with_tls(node, certificates)
                .map(|client| Dial::Single(Box::new(client)));
        }
        Client::open(node).map(|client| Dial::Single(Box::new(client)))
    }
}

/// Without users and passwords.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes.iter().map(|node| node.addr().to_string());
        f.debug_list().entries(nodes).finish()
    }
}

fn nowhere() -> redis::RedisError {
    (redis::ErrorKind::InvalidClientConfig, "no address").into()
}

/// It finds each reply's asker by its order, and drops the replies whose askers have left.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Connection {
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let reply = match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        reply?.extract_error()
    }

    /// Whether it mends itself; another one would only have to learn again which slot is where.
    pub(crate) fn mends_itself(&self) -> bool {
        !matches!(self, Self::Single(_))
    }
}

enum Dial {
    Single(Box<Client>),
    #[cfg(feature = "cluster")]
    Cluster(Box<redis::cluster::ClusterClient>),
}
