import { ClusterWorker } from 'poolifier'

export default new ClusterWorker(data => data)
