// Charts of series, by uPlot: `<section data-charts="address of the series" data-set="a name of SETS">`.
"use strict";

const GIB = 2 ** 30;
const EVERY_MS = { hour: 10_000, days: 60_000, quarter: 600_000, years: 3_600_000 };
const INKS = ["first", "second", "third"];
const FEW = 3;
const HEIGHT = 150;

const hours = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const days = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const rounded = (value, digits = 1) => value.toLocaleString([], { maximumFractionDigits: digits });
const rate = (value) => (value < 1e6 ? `${rounded(value / 1e3)} kB/s` : `${rounded(value / 1e6)} MB/s`);

const glm = (value) => `${Number(value.toPrecision(4))}`;

/** Title, what it reads, how a value is written; `top` is the least that the axis shows. */
const NODE = [
  { title: "CPU", lines: [["of all threads", "cpu_percent"]], write: (v) => `${rounded(v)} %`, top: 100 },
  { title: "Memory", lines: [["used", "mem_used_bytes"]], scale: GIB, write: (v) => `${rounded(v, 2)} GiB`, top: 1 },
  { title: "Network", lines: [["sent", "sent_bytes_s"], ["received", "received_bytes_s"]], write: rate, top: 1000 },
  { title: "Disk", lines: [["used", "disk_used_bytes"]], scale: GIB, write: (v) => `${rounded(v)} GiB`, top: 1 },
  { title: "Replicas", lines: [["running", "running"]], write: (v) => rounded(v), top: 1 },
  { title: "Temperature", lines: [["of the hottest sensor", "temperature_c"]], write: (v) => `${rounded(v)} °C`, top: 50 },
];
const MARKET = [
  { title: "GLM for a thread and hour", lines: [["cheapest", "least_glm"], ["median", "median_glm"], ["paid", "paid_glm"]], write: glm, top: 1e-9 },
  { title: "CPU threads", lines: [["on offer", "cpu_threads"], ["let", "cpu_threads_let"]], write: (v) => rounded(v), top: 1 },
  { title: "Utilisation", lines: [["let of what is on offer", "let_percent"]], write: (v) => `${rounded(v)} %`, top: 100 },
  { title: "Demand", lines: [["looking for a node", "demands"], ["agreements in force", "agreements"]], write: (v) => rounded(v), top: 1 },
];
/** One chart for each runtime that the node offered: a price holds until the next one. */
const asked = (told) => Object.keys(told.figures).map((name) => ({ title: name, lines: [["asks", name]], write: glm, top: 1e-9, stepped: true }));
const SETS = {
  node: { charts: () => NODE, empty: "Nothing was measured in this time: a Bee tells its figures with each heartbeat." },
  market: { charts: () => MARKET, empty: "Nothing was noted in this time: the Queen looks at the book every five minutes." },
  asked: { charts: asked, empty: "It has offered nothing yet." },
};

function setOf(section) {
  return SETS[section.dataset.set ?? "node"];
}

/** A colour of the style sheet as a canvas takes it: `light-dark()` and variables are resolved by an element. */
function colour(section, name) {
  const probe = section.querySelector(`.ink-${name}`) ?? section.appendChild(Object.assign(document.createElement("i"), { className: `ink ink-${name}`, hidden: true }));
  return getComputedStyle(probe).color;
}

function column(told, name, scale = 1) {
  return told.figures[name].map((value) => (value === null ? null : value / scale));
}

function ticks(range) {
  return (plot, splits) => splits.map((s) => (range === "hour" ? hours : range === "days" && s % 86400 ? hours : days).format(s * 1000));
}

function options(section, chart, told, width) {
  const ink = colour(section, "muted");
  const grid = { stroke: colour(section, "line"), width: 1 };
  const axis = { stroke: ink, grid, ticks: grid, font: `11px ${getComputedStyle(section).fontFamily}` };
  const span = [Date.parse(told.since) / 1000, Date.parse(told.until) / 1000];
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: section.dataset.charts }, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { setCursor: [(plot) => tell(plot, chart)] },
    scales: { x: { range: () => span }, y: { range: (plot, low, high) => [0, Math.max(high * 1.05 || 0, chart.top)] } },
    axes: [
      { ...axis, space: 64, values: ticks(told.range) },
      { ...axis, size: 64, space: 32, values: (plot, splits) => splits.map(chart.write) },
    ],
    series: [
      {},
      ...chart.lines.map((line, place) => ({
        stroke: colour(section, INKS[place]),
        fill: place || chart.lines.length > 1 ? undefined : colour(section, "wash"),
        width: 1.75,
        points: { show: told.at.length < FEW },
        paths: chart.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
      })),
    ],
  };
}

function figure(chart) {
  const element = document.createElement("figure");
  const caption = element.appendChild(document.createElement("figcaption"));
  caption.append(chart.title, " ");
  chart.lines.forEach((line, place) => {
    caption.appendChild(Object.assign(document.createElement("small"), { className: `line ${INKS[place]}` }));
  });
  caption.appendChild(Object.assign(document.createElement("small"), { className: "when" }));
  return element;
}

/** In the caption: the values under the pointer, else the newest. */
function tell(plot, chart) {
  const caption = plot.root.parentElement.querySelector("figcaption");
  const at = plot.cursor.idx;
  chart.lines.forEach(([label], place) => {
    const values = plot.data[place + 1];
    const value = at == null ? values.findLast((v) => v !== null) : values[at];
    caption.querySelectorAll(".line")[place].textContent = `${label} ${value == null ? "–" : chart.write(value)}`;
  });
  caption.querySelector(".when").textContent = at == null ? "" : moment.format(plot.data[0][at] * 1000);
}

function draw(section, told) {
  const plots = section.querySelector(".plots");
  const empty = section.querySelector(".empty");
  const set = setOf(section);
  const drawn = set.charts(told).filter((chart) => told.at.length && chart.lines.some(([, name]) => told.figures[name].some((v) => v !== null)));
  for (const plot of section.plots ?? []) plot.destroy();
  plots.replaceChildren();
  empty.hidden = drawn.length > 0;
  empty.textContent = drawn.length ? "" : set.empty;
  section.plots = drawn.map((chart) => {
    const element = plots.appendChild(figure(chart));
    const data = [told.at, ...chart.lines.map(([, name]) => column(told, name, chart.scale))];
    const plot = new uPlot(options(section, chart, told, element.clientWidth), data, element);
    tell(plot, chart);
    return plot;
  });
  section.told = told;
}

async function load(section, range) {
  clearTimeout(section.timer);
  section.range = range;
  for (const button of section.querySelectorAll("button[data-range]")) {
    button.setAttribute("aria-pressed", String(button.dataset.range === range));
  }
  try {
    const address = new URL(section.dataset.charts, location);
    address.searchParams.set("range", range);
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const told = await answer.json();
    if (section.range === range && !busy(section)) draw(section, told);
  } catch {
    if (!section.told) section.querySelector(".empty").textContent = "The figures can't be had just now.";
    section.querySelector(".empty").hidden = Boolean(section.told);
  }
  if (section.range === range) section.timer = setTimeout(() => load(section, range), EVERY_MS[range]);
}

/** Somebody reads a value: the chart is not taken from under the pointer. */
function busy(section) {
  return section.told?.range === section.range && section.querySelector(".u-over:hover") !== null;
}

function resize(section) {
  for (const plot of section.plots ?? []) {
    const width = plot.root.parentElement.clientWidth;
    if (width && width !== plot.width) plot.setSize({ width, height: HEIGHT });
  }
}

function start(section) {
  section.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-range]");
    if (button) load(section, button.dataset.range);
  });
  new ResizeObserver(() => resize(section)).observe(section);
  const redraw = () => section.told && draw(section, section.told);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["class"] });  // the admin's own switch
  load(section, section.querySelector("button[data-range]").dataset.range);
}

for (const section of document.querySelectorAll("[data-charts]")) start(section);
