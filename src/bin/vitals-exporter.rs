//! `vitals-exporter`: serves the metrics of this host.

use std::process::ExitCode;

use vitals::base::{log, service_manager::ServiceManager, shutdown::Shutdown, usage::Usage};
use vitals::exporter::{Config, Exporter, StartError, args};

fn main() -> ExitCode {
    let config = match args::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(usage) => return usage.print(),
    };
    log::init(&config.log_level, &config.log_format);
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Flags(error)) => Usage::wrong(error).print(),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        let exporter = Exporter::start(config)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            collectors = config.collectors.len(),
            "vitals-exporter"
        );
        if config.state_directory.is_none() {
            tracing::info!(
                "whether this machine is shut down or just goes is not watched: give --state.directory"
            );
        }
        let manager = ServiceManager::from_environment();
        tokio::spawn(manager.clone().attend(shutdown.clone()));
        let addresses: Vec<String> = exporter.addresses().iter().map(ToString::to_string).collect();
        manager.status(&format!("listening on {}", addresses.join(", ")));
        manager.ready();
        exporter.run(shutdown).await;
        Ok(())
    });
    // A disk that hangs would hold up the end.
    runtime.shutdown_background();
    served
}
