//! Sinks that tests can look into, and requests.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use axum::body::Body;
use http::Request;
use serde_json::Value;
use tollgate_audit::{Batch, Log, Sink};

/// Memory that is written to.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn log(&self) -> Log {
        Log::to_writer(self.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The records, each of which must be a line by itself.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that takes so many bytes and is full then, until there is more room.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) memory: Memory,
    pub(crate) room: Arc<Mutex<usize>>,
}

impl Disk {
    pub(crate) fn of(room: usize) -> Self {
        Self {
            memory: Memory::default(),
            room: Arc::new(Mutex::new(room)),
        }
    }
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        let fits = bytes.len().min(*room);
        *room -= fits;
        match fits {
            0 => Err(io::ErrorKind::StorageFull.into()),
            _ => self.memory.write(&bytes[..fits]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that says when it is asked, and waits to be told what to answer.
pub(crate) struct Asked {
    pub(crate) asked: SyncSender<Vec<u8>>,
    pub(crate) answer: Receiver<io::Result<()>>,
}

impl Asked {
    pub(crate) fn new() -> (Self, Receiver<Vec<u8>>, SyncSender<io::Result<()>>) {
        let (asked, on_asked) = sync_channel(1000);
        let (say, answer) = sync_channel(1000);
        (Self { asked, answer }, on_asked, say)
    }
}

impl Sink for Asked {
    fn write(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let _ = self.asked.send(batch.lines().to_vec());
        // Not for ever: a test that fails drops the log first, which waits for this.
        self.answer
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or(Ok(()))
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}
