//! `scrape-log`: records exporters into text files; without a target, this machine through an exporter of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use vitals::base::{log, shutdown::Shutdown};
use vitals::exporter::{self, Exporter, StartError};
use vitals::scrape_log::{self, Config, Target};

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let config = match scrape_log::args::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(usage) => return usage.print(),
    };
    log::init(&config.log_level, &config.log_format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(run(config));
    runtime.shutdown_background(); // a hanging disk or name server holds its thread, not the stop
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

async fn run(mut config: Config) -> Result<(), Error> {
    let shutdown = Shutdown::on_signals()?;
    if !config.targets.is_empty() {
        return Ok(scrape_log::run(config, shutdown).await?);
    }
    let exporter = embedded_exporter(config.listen_address)?;
    let address = exporter.addresses().first().copied().ok_or("the exporter listens nowhere")?;
    let own = scrape_log::reachable(address).to_string();
    let own = Target::on_command_line(&own, &config.job, (config.interval, config.timeout))?;
    println!("{}", scrape_log::banner(&config, &own));
    config.add_target(own)?;
    let serving = tokio::spawn(exporter.run(shutdown.clone()));
    scrape_log::run(config, shutdown).await?;
    Ok(serving.await?)
}

/// The exporter on `address`, or on one of the next ports if that one is taken, most likely by another exporter.
fn embedded_exporter(address: SocketAddr) -> Result<Exporter, Error> {
    let start = |port: u16| {
        let flag = format!("--web.listen-address={}", SocketAddr::new(address.ip(), port));
        exporter::args::parse(["vitals-exporter", &flag]).map(|config| Exporter::start(&config))
    };
    for port in address.port()..address.port().saturating_add(9) {
        match start(port)? {
            Err(StartError::Listen(error)) => tracing::warn!("{error}; trying the next port"),
            started => return Ok(started?),
        }
    }
    Ok(start(0)??)
}
