// Draws each [data-chart] from the numbers of its own table, in the page's colours, and folds the table.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  if (!window.Chart) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
  const said = { count: (n) => whole.format(n), usd: (n) => money.format(n), percent: (n) => `${n.toFixed(1)} %` };
  const onAxis = { count: (n) => short.format(n), usd: (n) => `$${short.format(n)}`, percent: (n) => `${n} %` };

  const read = (figure) => {
    const table = figure.querySelector("table");
    const rows = [...table.tBodies[0].rows];
    const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
    const numbers = (row) => [...row.cells].slice(1).map(({ dataset }) => (dataset.value === "" ? null : Number(dataset.value)));
    const values = rows.map(numbers);
    return { days: rows.map((row) => row.cells[0].textContent), series: names.map((name, i) => ({ name, values: values.map((row) => row[i]) })) };
  };

  const options = (unit, stacked, several) => ({
    animation: false, responsive: true, maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { stacked, grid: { display: false }, ticks: { color: token("--muted"), maxRotation: 0, autoSkipPadding: 18 } },
      y: { stacked, beginAtZero: true, border: { display: false }, grid: { color: token("--border") },
           ticks: { color: token("--muted"), maxTicksLimit: 5, callback: (n) => onAxis[unit](n) } },
    },
    plugins: {
      legend: { display: several, position: "bottom", labels: { color: token("--text"), boxWidth: 12, boxHeight: 12 } },
      tooltip: { callbacks: { label: ({ dataset, parsed }) => `${dataset.label}: ${said[unit](parsed.y)}` } },
    },
  });

  const draw = (figure) => {
    const { chart: kind, unit } = figure.dataset;
    const { days, series } = read(figure);
    const datasets = series.map(({ name, values }, i) => {
      const colour = token(`--series-${(i % 6) + 1}`);
      return kind === "lines"
        ? { label: name, data: values, borderColor: colour, backgroundColor: colour, borderWidth: 2, pointRadius: 0, pointHitRadius: 12, tension: 0.25 }
        : { label: name, data: values, backgroundColor: colour, borderRadius: 3, maxBarThickness: 26 };
    });
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${figure.querySelector(".chart__title").textContent}, drawn; the numbers are in the table below`);
    const drawing = figure.querySelector(".chart__drawing");
    drawing.replaceChildren(canvas);
    drawing.hidden = false;
    return new Chart(canvas, {
      type: kind === "lines" ? "line" : "bar",
      data: { labels: days.map((day) => day.slice(5)), datasets },
      options: options(unit, kind === "bars", series.length > 1),
    });
  };

  const figures = [...document.querySelectorAll("[data-chart]")];
  figures.forEach((figure) => { figure.querySelector(".chart__numbers").open = false; });
  let drawn = figures.map(draw);
  dark.addEventListener("change", () => { drawn.forEach((chart) => chart.destroy()); drawn = figures.map(draw); });
});
