module render-chart

go 1.19
