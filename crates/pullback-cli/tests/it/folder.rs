//! The binary in a folder of its own.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A folder in which the command is run.
pub(crate) struct Folder(TempDir);

/// What a command did.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("it is written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is there")
    }

    /// Runs the command with these arguments, which spaces part.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        self.run_with(arguments, b"")
    }

    /// With these bytes on the standard input.
    pub(crate) fn run_with(&self, arguments: &str, input: &[u8]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullback"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        output(command, input)
    }

    /// Runs a line of a shell that finds the command.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str) -> Ran {
        let folder = PathBuf::from(env!("CARGO_BIN_EXE_pullback")).with_file_name("");
        let path = std::env::join_paths(
            std::iter::once(folder).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", path.expect("no colon in it")).current_dir(self.0.path());
        output(command, b"")
    }
}

fn output(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that does not read it closes it.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    Ran {
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        bytes: stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        code: status.code(),
    }
}

impl Ran {
    /// That it did what it was asked to.
    #[track_caller]
    pub(crate) fn done(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// That it failed with this among its messages, and wrote nothing.
    #[track_caller]
    pub(crate) fn fails(self, message: &str) -> Ran {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        assert!(self.stderr.starts_with("error: ") && self.stderr.contains(message), "{}\n{message}", self.stderr);
        self
    }

    /// That the command was no command, with this among its messages.
    #[track_caller]
    pub(crate) fn fails_as_misuse(self, message: &str) -> Ran {
        assert_eq!(self.code, Some(2), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(message), "{}\n{message}", self.stderr);
        self
    }
}
