//! Anthropic's models at AWS Bedrock, over real sockets.
//!
//! The other side shares nothing with what is tested: signatures are made again here from AWS' published algorithm, and
//! frames are written by AWS' own code.
#![cfg(feature = "bedrock")]

#[path = "bedrock/asked.rs"]
mod asked;
#[path = "bedrock/failed.rs"]
mod failed;
#[path = "bedrock/frames.rs"]
mod frames;
#[path = "bedrock/provider.rs"]
mod provider;
#[path = "support/server.rs"]
mod server;
#[path = "bedrock/signature.rs"]
mod signature;
#[path = "bedrock/streamed.rs"]
mod streamed;
