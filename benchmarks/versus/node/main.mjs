// Takes one sample: `node main.mjs <contestant> <scenario> <parameters as JSON>`.

import { contestants } from './contestants.mjs'
import { scenarios } from './scenarios.mjs'

// Some pools let go of the event loop while tasks are under way: without this, Node would end before they do.
setInterval(() => {}, 60_000)

const [name, scenario, json] = process.argv.slice(2)
const parameters = JSON.parse(json)
const contestant = contestants[name]
const sample = await scenarios[scenario](await contestant(parameters.workers), parameters, contestant)
console.log(JSON.stringify(sample))
process.exit(0)
