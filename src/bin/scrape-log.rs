//! `scrape-log`: records exporters into text files; without a target, this machine through an exporter of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use vitals::base::{log, service_manager::ServiceManager, shutdown::Shutdown};
use vitals::exporter::{self, Exporter, StartError};
use vitals::scrape_log::args::{self, Command};
use vitals::scrape_log::{self, Options, ScrapeLog};

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(Command::Record(options)) => record(*options),
        Ok(Command::CheckConfig { file }) => scrape_log::check_config::run(&file),
        Ok(Command::Tool(tool, arguments)) => (tool.run)(arguments),
        Err(usage) => usage.print(),
    }
}

fn record(options: Options) -> ExitCode {
    log::init(&options.log_level, &options.log_format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(run(options));
    runtime.shutdown_background(); // a hanging disk or name server holds its thread, not the stop
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

async fn run(mut options: Options) -> Result<(), Error> {
    let shutdown = Shutdown::on_signals()?;
    let manager = ServiceManager::from_environment();
    tokio::spawn(manager.clone().attend(shutdown.clone()));
    if !options.records_this_machine() {
        return Ok(ScrapeLog::start(options)?.managed_by(manager).run(shutdown).await?);
    }
    let exporter = embedded_exporter(options.exporter_listen_address)?;
    let address = exporter.addresses().first().copied().ok_or("the exporter listens nowhere")?;
    let address = scrape_log::reachable(address);
    options.add_target(&address.to_string())?;
    let storage = options.storage.path.clone();
    let recorder = ScrapeLog::start(options)?.managed_by(manager);
    if let Some(own) = recorder.addresses().first() {
        println!("{}", scrape_log::banner(&storage, address, scrape_log::reachable(*own)));
    }
    let serving = tokio::spawn(exporter.run(shutdown.clone()));
    recorder.run(shutdown).await?;
    Ok(serving.await?)
}

/// The exporter on `address`, or on one of the next ports if that one is taken, most likely by another exporter.
fn embedded_exporter(address: SocketAddr) -> Result<Exporter, Error> {
    let start = |port: u16| {
        let flag = format!("--web.listen-address={}", SocketAddr::new(address.ip(), port));
        exporter::args::parse(["vitals-exporter", &flag, "--state.directory="])
            .map(|config| Exporter::start(&config))
    };
    for port in address.port()..address.port().saturating_add(9) {
        match start(port)? {
            Err(StartError::Listen(error)) => tracing::warn!("{error}; trying the next port"),
            started => return Ok(started?),
        }
    }
    Ok(start(0)??)
}
