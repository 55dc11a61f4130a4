use std::fmt;

use redis::{Cmd, cmd};

/// A Lua script, known to the server by its digest.
pub(crate) struct Script {
    code: String,
    digest: String,
}

impl Script {
    /// What scripts share comes first.
    pub(crate) fn new(shared: &str, own: &str) -> Self {
        let code = format!("{shared}\n{own}");
        Self {
            digest: redis::Script::new(&code).get_hash().to_owned(),
            code,
        }
    }

    pub(crate) fn by_digest(&self, keys: &[String], arguments: &[String]) -> Cmd {
        run("EVALSHA", &self.digest, keys, arguments)
    }

    /// The server knows it from then on.
    pub(crate) fn by_code(&self, keys: &[String], arguments: &[String]) -> Cmd {
        run("EVAL", &self.code, keys, arguments)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.digest).finish()
    }
}

fn run(how: &str, script: &str, keys: &[String], arguments: &[String]) -> Cmd {
    let mut command = cmd(how);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}
