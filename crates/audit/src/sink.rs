use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use crate::Record;

/// Where records go. It is called by the log's own thread, and may wait.
///
/// ```
/// use std::{io, sync::mpsc::Sender};
/// use tollgate_audit::{Batch, Sink};
///
/// struct Channel(Sender<Vec<u8>>);
///
/// impl Sink for Channel {
///     fn write(&mut self, batch: &Batch<'_>) -> io::Result<()> {
///         self.0.send(batch.lines().to_vec()).map_err(io::Error::other)
///     }
/// }
/// ```
pub trait Sink: Send + 'static {
    /// Takes a batch, so that it is safe once this returns. A batch that was not taken comes again, the same bytes,
    /// until it is taken or the log is closed; no other comes before it.
    ///
    /// # Errors
    /// When the batch was not taken, or not all of it. The log then refuses requests until it is.
    fn write(&mut self, batch: &Batch<'_>) -> io::Result<()>;
}

/// Some records, and the lines that they are written as.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) lines: &'a [u8],
}

impl Batch<'_> {
    /// The records, at least one.
    #[must_use]
    pub const fn records(&self) -> &[Record] {
        self.records
    }

    /// The same as JSON lines, in ASCII, each with `\n` at its end.
    #[must_use]
    pub const fn lines(&self) -> &[u8] {
        self.lines
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("records", &self.records.len())
            .field("bytes", &self.lines.len())
            .finish()
    }
}

/// Lines to a writer, each batch with one `write` as a rule, and flushed.
pub(crate) struct Lines<W> {
    writer: W,
    // Of a batch that broke off; the rest follows when it comes again, so that no line is torn or doubled.
    written: usize,
}

impl<W: Write> Lines<W> {
    pub(crate) const fn new(writer: W) -> Self {
        Self { writer, written: 0 }
    }
}

impl Lines<File> {
    /// Lines to the end of a file, which only its owner may read.
    pub(crate) fn append(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            // Whoever wrote before us was stopped in mid-line; ours does not go on with it.
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self::new(file))
    }
}

impl<W: Write + Send + 'static> Sink for Lines<W> {
    fn write(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        while let Some(rest @ [_, ..]) = batch.lines.get(self.written..) {
            match self.writer.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.writer.flush()?;
        self.written = 0;
        Ok(())
    }
}
