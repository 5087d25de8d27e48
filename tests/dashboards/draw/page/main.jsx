import { createRoot } from "react-dom/client";
import { Component, useEffect, useState } from "react";
import { initPluginTranslations } from "@grafana/i18n";
import { ThemeContext } from "@grafana/data";
import { GlobalStyles, PanelChrome } from "@grafana/ui";
import "uplot/dist/uPlot.min.css";
import { toFrames } from "./frames.js";
import { theme, replace, transform, withOptions } from "./fields.js";
import { Panel } from "./panels.jsx";

const { given } = window;
let waiting = given.placed.filter(({ panel }) => panel.type !== "row").length;

class Guard extends Component {
  state = {};
  static getDerivedStateFromError = (error) => ({ error });
  componentDidCatch(error) {
    console.error(`panel "${this.props.title}": ${error.stack}`);
  }
  render() {
    return this.state.error ? <pre style={{ color: "red" }}>{String(this.state.error)}</pre> : this.props.children;
  }
}

function Row({ panel, ...place }) {
  const style = { position: "absolute", ...place, font: `500 16px ${theme.typography.fontFamily}`, color: theme.colors.text.primary };
  return <div style={style}>{`${panel.collapsed ? "▸" : "▾"} ${replace(panel.title)}`}</div>;
}

function Cell({ panel, results, left, top, width, height }) {
  const [ready, setReady] = useState();
  useEffect(() => {
    transform(toFrames(results), panel.transformations)
      .then((frames) => setReady(withOptions(frames, panel)))
      .catch((error) => {
        console.error(`panel "${panel.title}": ${error.stack}`);
        waiting -= 1;
      });
  }, []);
  useEffect(() => {
    if (ready) waiting -= 1;
  }, [ready]);
  return (
    <div style={{ position: "absolute", left, top, width, height }}>
      <PanelChrome title={replace(panel.title)} description={panel.description} width={width} height={height} displayMode={panel.transparent ? "transparent" : "default"}>
        {(innerWidth, innerHeight) => ready && (
          <Guard title={panel.title}>
            <Panel panel={panel} {...ready} width={innerWidth} height={innerHeight} />
          </Guard>
        )}
      </PanelChrome>
    </div>
  );
}

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <style>{`body { background: ${theme.colors.background.canvas}; margin: 0; overflow: hidden }`}</style>
      {given.placed.map((each) => (each.panel.type === "row" ? <Row key={each.panel.id} {...each} /> : <Cell key={each.panel.id} {...each} />))}
    </ThemeContext.Provider>
  );
}

start();

async function start() {
  await initPluginTranslations("draw");
  await Promise.all([document.fonts.load("400 14px Inter"), document.fonts.load("500 14px Inter")]);
  createRoot(document.getElementById("root")).render(<Page />);
  const timer = setInterval(() => {
    if (waiting > 0) return;
    clearInterval(timer);
    setTimeout(() => (window.drawn = true), 700);
  }, 100);
}
