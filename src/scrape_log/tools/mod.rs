//! The subcommands that read the recorded files. None of them writes into the storage path, and all of them may run
//! beside the recorder.

pub mod check;
pub mod export;
mod output;
mod progress;
pub mod report;
mod targets;
