//! `vitals-exporter`: serves the metrics of this host.

use std::io::Write;
use std::process::ExitCode;

use vitals::base::{log, shutdown::Shutdown};
use vitals::exporter::{Config, Exporter, StartError, args};

fn main() -> ExitCode {
    let config = match args::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(exit) => {
            let text = exit.text.as_bytes();
            // A closed pipe (`| head`) is no failure.
            let _written = if exit.code == 0 {
                std::io::stdout().write_all(text)
            } else {
                std::io::stderr().write_all(text)
            };
            return ExitCode::from(exit.code);
        }
    };
    log::init(&config.log_level, &config.log_format);
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(if matches!(error, StartError::Flags(_)) { args::EX_USAGE } else { 1 })
        }
    }
}

fn serve(config: &Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        let exporter = Exporter::start(config)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            collectors = config.collectors.len(),
            "vitals-exporter"
        );
        exporter.run(shutdown).await;
        Ok(())
    })
}
