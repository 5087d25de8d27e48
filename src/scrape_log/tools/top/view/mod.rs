//! The view in the terminal.
//!
//! ```text
//!  keys ─► App: which moment, which host, which order ─► draw: frame, table ─► detail: problems, numbers, plots
//! ```

mod app;
mod detail;
mod draw;
mod help;
mod spark;
#[cfg(test)]
mod tests;
mod theme;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::picture::{Source, When};
use crate::base::shutdown::Shutdown;
use app::App;
use theme::Theme;

/// The longest time until a key, a signal or news are seen.
const TICK: Duration = Duration::from_millis(100);
/// Ages are shown in seconds.
const REDRAW: Duration = Duration::from_secs(1);

/// Shows the hosts until somebody quits.
pub(super) fn run(source: Box<dyn Source>, when: When) -> io::Result<()> {
    let stop = stop_on_signals()?;
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, App::new(source, when), &stop);
    let restored = ratatui::try_restore();
    shown.and(restored)
}

fn show(terminal: &mut ratatui::DefaultTerminal, mut app: App, stop: &AtomicBool) -> io::Result<()> {
    let theme = Theme::of_environment();
    let mut drawn: Option<Instant> = None;
    while !app.is_over() && !stop.load(Ordering::Relaxed) {
        let is_due = drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if app.take_news() || is_due {
            app.look();
            terminal.draw(|frame| draw::draw(&mut app, &theme, frame.area(), frame.buffer_mut()))?;
            drawn = Some(Instant::now());
        }
        if !event::poll(TICK)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => app.press(key),
            _ => {}
        }
        // All that was typed or resized is one change.
        drawn = None;
    }
    Ok(())
}

/// Becomes true at SIGTERM and SIGINT, so that the terminal is left as it was.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut shutdown = {
        let _inside = runtime.enter();
        Shutdown::on_signals()?
    };
    let told = Arc::clone(&stop);
    thread::spawn(move || {
        runtime.block_on(shutdown.requested());
        told.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}
