import workerpool from 'workerpool'

workerpool.worker({ echo: data => data })
